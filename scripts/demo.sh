# Renders an example for every target there is, runs the bash one, shows its run log. Run by `make demo`.
set -eu
cd "$(dirname "$0")/.."
name=words
rm -rf .demo
cp -R "examples/$name" .demo
cd .demo

say() {
  printf '\n\033[1m$ %s\033[0m\n' "$*"
}

targets='import json, sys; print(*(target["name"] for target in json.load(sys.stdin)))'
for target in $(magnus targets --json | python -c "$targets"); do
  # What differs between engines stands beside the definition, which is the same for all.
  case $target in
  aws-*) set -- -c aws.yaml ;;
  argo) set -- -c argo.yaml ;;
  *) set -- ;;
  esac
  say magnus render dag.yaml --target "$target" "$@" -o "$target.out"
  magnus render dag.yaml --target "$target" "$@" -o "$target.out"
  wc -l "$target.out"
done

say bash bash.out demo
bash bash.out demo

say magnus runs show demo
magnus runs show demo

printf '\nAll of it is in the folder .demo; the report is .demo/data/report.txt.\n'
