[ "$MAGNUS_PRM_text" = 'a "b"
 c' ] || exit 11
[ "$MAGNUS_PRM_digits" = 1 ] || exit 12
[ "$MAGNUS_PRM_number" = 5 ] || exit 13
[ "$MAGNUS_PRM_yes" = true ] || exit 14
[ "$MAGNUS_PRM_nothing" = null ] || exit 15
[ "$MAGNUS_PRM_list" = '[1, "x"]' ] || exit 16
[ "$MAGNUS_PRM_Text" = other ] || exit 17
[ -n "$MAGNUS_RUN_ID" ] || exit 18
[ "$MAGNUS_MAP_VARIABLE" = "{\"item\": \"$MAGNUS_PRM_item\"}" ] || exit 19
if read -r line; then exit 20; fi
[ -z "${MAGNUS_PRM_outside-}" ] || exit 21
echo "item=it" >&2
echo "not=a parameter"
