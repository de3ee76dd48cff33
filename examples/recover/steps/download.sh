# Stands for a server that is not there at first.
set -eu
if [ "$MAGNUS_ATTEMPT" -lt 2 ]; then
  echo "attempt $MAGNUS_ATTEMPT: no answer" >&2
  exit 7
fi
mkdir -p data
cp orders.csv data/orders.csv
echo "source=attempt $MAGNUS_ATTEMPT" >>"$MAGNUS_OUTPUT"
