# Puts the texts into the data folder and sets `texts` to their names, as a JSON list.
set -eu
export LC_ALL=C
mkdir -p data
cp texts/*.txt data/

list=''
for file in texts/*.txt; do
  list="$list, \"$(basename "$file" .txt)\""
done
printf '{"texts": [%s]}\n' "${list#, }" >>"$MAGNUS_OUTPUT"
