# Adds up the counts of all texts (totals.tsv, most frequent first) and finds the words that every text has (shared.txt).
set -eu
export LC_ALL=C
tab=$(printf '\t')

total() { # reads lines of word, tab, count, sorted by word
  sum=0
  last=''
  while IFS=$tab read -r word count; do
    if [ "$word" != "$last" ] && [ -n "$last" ]; then
      printf '%s\t%d\n' "$last" "$sum"
      sum=0
    fi
    last=$word
    sum=$((sum + count))
  done
  printf '%s\t%d\n' "$last" "$sum"
}

sort data/*.counts | total | sort -t "$tab" -k2,2nr -k1,1 >data/totals.tsv

shared=''
for counts in data/*.counts; do
  if [ -z "$shared" ]; then
    shared=$(cut -f1 "$counts")
  else
    shared=$(printf '%s\n' "$shared" | sort | join - "$counts" | cut -d' ' -f1)
  fi
done
printf '%s\n' "$shared" >data/shared.txt

printf 'most_frequent=%s\n' "$(head -n 1 data/totals.tsv | cut -f1)" >>"$MAGNUS_OUTPUT"
printf '{"different": %d, "shared": %d}\n' "$(wc -l <data/totals.tsv)" "$(wc -l <data/shared.txt)" >>"$MAGNUS_OUTPUT"
