#!/usr/bin/env bash
# Builds an image of the project; /opt/orchestrator/sbom.cdx.json in it lists its Python packages (SBOM, CycloneDX).
#
#   docker/build.sh                                      # orchestrator:cpu with docker
#   docker/build.sh --engine podman --target gpu
#   docker/build.sh --engine buildah --base localhost/python-base:bookworm    # no daemon, no registry; see debian-base.sh
#
# PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS (a folder with --volume) say where packages are, TORCH_INDEX where
# PyTorch's CPU wheels are: see the Dockerfile.
set -euo pipefail
engine=docker target=cpu base='' tag='' volumes=()
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit; }
while [ $# -gt 0 ]; do
  case $1 in
    --engine) engine=$2; shift 2 ;;
    --target) target=$2; shift 2 ;;
    --base) base=$2; shift 2 ;;
    --tag) tag=$2; shift 2 ;;
    --volume) volumes+=(--volume "$2"); shift 2 ;;
    -h | --help) usage ;;
    *) echo "build.sh: there is no option '$1' (options: --engine, --target, --base, --tag, --volume)" >&2; exit 2 ;;
  esac
done
case $target in cpu | gpu) ;; *) echo "build.sh: --target is cpu or gpu, not '$target'" >&2; exit 2 ;; esac
case $engine in docker | podman | buildah) ;; *) echo "build.sh: --engine is docker, podman or buildah, not '$engine'" >&2; exit 2 ;; esac
command -v "$engine" > /dev/null || { echo "build.sh: $engine is not installed; name another one with --engine" >&2; exit 1; }
cd "$(dirname "$0")/.."
tag=${tag:-orchestrator:$target}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)
options=(--file docker/Dockerfile --target "$target" --tag "$tag" --build-arg "VERSION=$version" --build-arg "REVISION=$revision")
[ -z "$base" ] || options+=(--build-arg "BASE=$base")
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS TORCH_INDEX; do
  [ -z "${!name:-}" ] || options+=(--build-arg "$name=${!name}")
done
case $engine in
  docker) DOCKER_BUILDKIT=1 docker build "${options[@]}" . ;;
  podman) podman build --format docker "${options[@]}" "${volumes[@]}" . ;;
  # --format docker: the other one has no HEALTHCHECK. chroot needs no rights that a container would not have
  buildah) BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} buildah build --format docker --layers "${options[@]}" "${volumes[@]}" . ;;
esac
echo "$tag"
