# Accepts nothing but whole lines. It sets a parameter before it fails, which therefore never becomes visible.
set -eu
echo 'converted_by=convert' >>"$MAGNUS_OUTPUT"
while IFS=, read -r item price; do
  if [ -z "$price" ]; then
    echo "damaged line: $item" >&2
    exit 3
  fi
  printf '%s,%s\n' "$item" "$price"
done <data/orders.csv >data/clean.csv
