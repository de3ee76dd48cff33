# hang.sh PLACE: says that it hangs, and does, in a run that was started with hang=PLACE.
test "$MAGNUS_PRM_hang" != "$1" || { echo > "$HOME/hanging"; sleep 60; }
