#compdef complycube-inbox
# SPDX-License-Identifier: MIT
# Completion of complycube-inbox(1) for zsh: zsh/site-functions/_complycube-inbox.
# Commands, options and words come from the program's own --help, so they are those of the program that is there.

_complycube-inbox() {
    local program=$words[1] usage line
    local -a list specs
    local at=2
    [[ $words[2] == -c ]] && at=4
    if (( CURRENT == 3 && at == 4 )); then
        _files
        return
    fi
    if (( CURRENT == at )); then
        for line in ${(f)"$($program --help 2>/dev/null)"}; do
            [[ $line =~ '^  ([a-z-]+) +(.*)$' ]] && list+=("$match[1]:$match[2]")
        done
        _describe command list
        (( at == 2 )) && _arguments '-c[the configuration]:file:_files' '--help[print this]' '--version[print the version]'
        return
    fi
    usage=$($program $words[at] --help 2>/dev/null) || return
    for line in ${(f)usage}; do
        [[ $line =~ '^  ((-.), |    )(--[a-z-]+) (([A-Z]+) )? *(.*)$' ]] || continue
        local short=$match[2] long=$match[3] value=$match[5] help=${match[6]//[\[\]:]/ } action=' '
        case $value in
        (FILE) action=_files ;;
        (STATE) action="(${${help//,/}/ or / })" ;;
        (TYPE) action='($('${(q)program}' send --list-types 2>/dev/null))' ;;
        esac
        local many= one="(${short:+$short }$long)"
        [[ $help == *'several times'* ]] && many='*' one=
        if [[ -n $value ]]; then
            specs+=(${short:+"$one$many$short"'['"$help]:$value:$action"} "$one$many$long="'['"$help]:$value:$action")
        else
            specs+=(${short:+"$one$short"'['"$help]"} "$one$long"'['"$help]")
        fi
    done
    case ${usage%%$'\n'*} in
    (*'COMMAND ...') specs+=('*::command:_normal') ;;
    esac
    shift $(( at - 1 )) words
    (( CURRENT -= at - 1 ))
    _arguments -s -S : $specs
}

_complycube-inbox "$@"
