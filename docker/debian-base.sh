#!/usr/bin/env bash
# Makes a base image from Debian's packages alone, for machines that reach no image registry: Debian 12 with Python 3.11.
# The default base, python:3.11-slim-bookworm, is the same Debian with a Python of its own.
# Needs root, debootstrap and buildah. Usage: docker/debian-base.sh [NAME]      MIRROR=..., STORAGE_DRIVER=vfs
set -euo pipefail
name=${1:-localhost/python-base:bookworm}
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/root" ${MIRROR:+"$MIRROR"} >&2
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/* "$folder"/root/usr/share/{doc,man,locale}/*
container=$(buildah from scratch)
buildah add --quiet "$container" "$folder/root" / > /dev/null
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
buildah commit --quiet --rm --format docker "$container" "$name" > /dev/null
echo "$name"
