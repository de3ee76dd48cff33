# Installs the programs that tests use besides Python packages. What cannot be had is said, and its tests are skipped.
# Run by make, with the virtual environment first on PATH.
set -eu
here=$(dirname "$0")/..

quietly() {
  "$@" >/dev/null 2>&1
}

have() {
  command -v "$1" >/dev/null
}

# The wheels carry the program. The source distribution would download it from elsewhere: never take that.
quietly python -m pip install --only-binary :all: --no-deps --require-hashes -r "$here/requirements-tools.lock" || true

if have apt-get && [ "$(id -u)" = 0 ]; then
  updated=''
  # Debian starts no daemon of Slurm that has no configuration; tests start theirs.
  for package in shellcheck git graphviz podman runc npm curl munge slurmctld slurmd slurm-client; do
    tool=$package
    [ "$package" != graphviz ] || tool="dot"
    [ "$package" != slurm-client ] || tool="sbatch"
    have "$tool" && continue
    [ -n "$updated" ] || quietly apt-get update || true
    updated=yes
    quietly env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$package" || true
  done
fi

# Checks rendered state machines. Its lock file names what it needs, with hashes; no script of theirs is run.
# Node knows no certificates but its own; where a machine has others, they are in the system's bundle.
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS-}" ] && [ -r "$bundle" ]; then
  export NODE_EXTRA_CA_CERTS="$bundle"
fi
npm=${XDG_CACHE_HOME:-$HOME/.cache}/magnus-render/npm
asl=$here/tests/engines/stepfunctions/npm
if have npm && ! cmp -s "$asl/package-lock.json" "$npm/installed.json"; then
  mkdir -p "$npm"
  cp "$asl/package.json" "$asl/package-lock.json" "$npm/"
  quietly npm ci --prefix "$npm" --ignore-scripts --no-audit --no-fund \
    && cp "$asl/package-lock.json" "$npm/installed.json" \
    || echo "tools.sh: asl-validator cannot be installed here: its tests will be skipped (with CI=true they fail)" >&2
fi

# Argo's lint, and its controller with an API server: built once, kept beside the other caches. Its pods need root.
if have go; then
  cd "$here"
  python -c 'import sys; from tests.engines import argo_lint; sys.exit(argo_lint.missing())' \
    || echo "tools.sh: Argo's lint cannot be built here: its tests will be skipped (with CI=true they fail)" >&2
  if [ "$(id -u)" = 0 ]; then
    python -m tests.engines.argo.build \
      || echo "tools.sh: Argo's controller cannot be built here: its tests will be skipped (with CI=true they fail)" >&2
  fi
fi

for tool in bash shellcheck git dot podman runc node go curl sbatch slurmctld slurmd munge; do
  have "$tool" || echo "tools.sh: $tool cannot be installed here: its tests will be skipped (with CI=true they fail)" >&2
done
