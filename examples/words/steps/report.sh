# Writes the report that people read.
set -eu
{
  printf 'Texts: %s\n' "$MAGNUS_PRM_texts"
  printf 'Words: %s, %s different, %s in every text\n\n' "$MAGNUS_PRM_words" "$MAGNUS_PRM_different" "$MAGNUS_PRM_shared"
  printf 'Most frequent:\n'
  head -n 10 data/totals.tsv
  printf '\nIn every text:\n'
  paste -s -d ' ' data/shared.txt | fold -s -w 80
} >data/report.txt
cat data/report.txt
