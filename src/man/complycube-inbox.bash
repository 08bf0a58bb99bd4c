# SPDX-License-Identifier: MIT
# Completion of complycube-inbox(1) for bash: bash-completion/completions/complycube-inbox.
# Commands, options and words come from the program's own --help, so they are those of the program that is there.

_complycube_inbox_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }

_complycube_inbox_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# The value of an option, by what --help calls it; the third is its line there.
_complycube_inbox_value() {
    local current=$1 program=$2 line=$3
    case $line in
    *' FILE '*) _complycube_inbox_files "$current" ;;
    *' STATE '*) _complycube_inbox_words "$(sed 's/.* STATE *//; s/,/ /g; s/ or / /' <<<"$line")" "$current" ;;
    *' TYPE '*) _complycube_inbox_words "$("$program" send --list-types 2>/dev/null)" "$current" ;;
    esac
}

_complycube_inbox() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} at=1 i word usage line short long value
    local -A lines=() values=() # of each option
    program=${program/#\~/${HOME-}}
    COMPREPLY=()
    [[ $current == = ]] && current= # --state=dead comes as three words
    if [[ ${COMP_WORDS[1]} == -c ]]; then
        at=3
        ((COMP_CWORD == 2)) && _complycube_inbox_files "$current"
    fi
    if ((COMP_CWORD == at)); then
        usage=$("$program" --help 2>/dev/null)
        _complycube_inbox_words "$(sed -n 's/^  \([a-z-]*\) .*/\1/p' <<<"$usage") -c --help --version" "$current"
    fi
    ((COMP_CWORD > at)) || return 0
    usage=$("$program" "${COMP_WORDS[at]}" --help 2>/dev/null) || return 0
    while read -r line; do
        read -r short long value _ <<<"$line"
        [[ $short == --* ]] && value=$long long=$short # it has no short form
        [[ $short == -* && $long == --* ]] || continue
        [[ $value =~ ^[A-Z]+$ ]] || value=
        lines[${short%,}]=$line lines[$long]=$line values[${short%,}]=$value values[$long]=$value
    done <<<"$usage"
    for ((i = at + 1; i < COMP_CWORD; i++)); do # up to where the cursor is
        word=${COMP_WORDS[i]}
        [[ $word == -?* && $word != -- ]] || break
        [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
        [[ ${values[$word]-} ]] || continue
        if ((++i >= COMP_CWORD)); then
            _complycube_inbox_value "$current" "$program" "${lines[$word]}"
            return 0
        fi
    done
    if ((i >= COMP_CWORD)) && [[ $current == -* ]]; then
        _complycube_inbox_words "${!lines[*]}" "$current"
    elif [[ ${usage%%$'\n'*} == *'COMMAND ...' ]]; then # a program and its arguments
        _complycube_inbox_files "$current"
        ((i + 1 < COMP_CWORD)) || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$current")
    fi
    return 0
}
complete -F _complycube_inbox complycube-inbox
