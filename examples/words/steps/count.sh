# Counts the words of one text into NAME.counts: lines of word, tab, count, sorted by word.
set -eu
export LC_ALL=C
name=$MAGNUS_PRM_text
words=$(tr '[:upper:]' '[:lower:]' <"data/$name.txt" | tr -cs '[:lower:]' ' ') # lower case, parted by single blanks

# shellcheck disable=SC2086 # split on purpose
printf '%s\n' $words | sort | uniq -c | while read -r count word; do
  printf '%s\t%s\n' "$word" "$count"
done >"data/$name.counts"

# shellcheck disable=SC2086
set -- $words
printf '{"words": %d}\n' "$#" >>"$MAGNUS_OUTPUT"
printf '%s: %d words\n' "$name" "$#"
