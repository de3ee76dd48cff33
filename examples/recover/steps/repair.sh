# Drops the damaged lines and says how many there were.
set -eu
dropped=0
while IFS=, read -r item price; do
  if [ -z "$price" ]; then
    dropped=$((dropped + 1))
  else
    printf '%s,%s\n' "$item" "$price"
  fi
done <data/orders.csv >data/clean.csv
printf '{"dropped": %d}\n' "$dropped" >>"$MAGNUS_OUTPUT"
echo 'converted_by=repair' >>"$MAGNUS_OUTPUT"
