#!/bin/sh
# Makes the secrets of compose.yaml in the folder secrets, or in the one that is told. What is there already stays.
set -eu
folder=${1:-secrets}
random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() { # keep NAME VALUE
  test -e "$folder/$1" || printf '%s' "$2" > "$folder/$1"
  chmod 0444 "$folder/$1" # the folder is closed to others; in the container another user reads the file
}
mkdir -p "$folder"
chmod 0700 "$folder"
keep postgres_password "$(random)"
password=$(cat "$folder/postgres_password")
keep adpulse_database_url "postgresql://adpulse:$password@postgres:5432/adpulse"
keep adpulse_prefect_database_url "postgresql://adpulse:$password@postgres:5432/adpulse_prefect"
keep adpulse_prefect_auth "adpulse:$(random)"
