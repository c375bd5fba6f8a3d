#!/bin/sh
# Makes the secrets that are missing, random, in the folder that is given: deploy/secrets.sh deploy/secrets
set -eu
folder=${1:?usage: deploy/secrets.sh FOLDER}
umask 077
mkdir -p "$folder/alertmanager" "$folder/tls"
chmod 700 "$folder"
# Other users read these inside of their containers; from outside the folder's mode keeps them away.
chmod 755 "$folder/alertmanager" "$folder/tls"
for name in ollascope-admin-token grafana-admin-password; do
  file=$folder/$name
  [ ! -s "$file" ] || continue
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file.new"
  chmod 444 "$file.new"
  mv "$file.new" "$file"
  echo "made $file"
done
