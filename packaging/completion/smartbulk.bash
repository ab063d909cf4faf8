# SPDX-License-Identifier: Apache-2.0
# bash completion for smartbulk. What can be said comes from --help, so that it is never out of date.

_smartbulk()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    local command=${COMP_WORDS[1]} help
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        help=$("$program" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$help --help --version" -- "$word")
        return
    fi
    if [[ $command == key || $command == audit || $command == clients ]] && ((COMP_CWORD == 2)); then
        help=$("$program" "$command" --help 2>/dev/null |
            sed -n "s/^ .*smartbulk $command \([a-z]\{1,\}\) \[.*/\1/p; s/^Usage: smartbulk $command \([a-z]\{1,\}\) \[.*/\1/p")
        mapfile -t COMPREPLY < <(compgen -W "$help --help" -- "$word")
        return
    fi

    case $before in
    --to | --data | --state-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --key | --config | --patient-file | --ca-file | --client-cert | --client-cert-key | --client-secret-file | \
        --passphrase-file | --jwks | --groups | --deleted | --opt-outs | --opt-ins | --audit | -o)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --auth)
        mapfile -t COMPREPLY < <(compgen -W "private_key_jwt client_secret_basic none" -- "$word")
        return
        ;;
    --profile)
        mapfile -t COMPREPLY < <(compgen -W "smart rfc7523bis" -- "$word")
        return
        ;;
    --type)
        mapfile -t COMPREPLY < <(compgen -W "Patient Coverage ExplanationOfBenefit Practitioner Organization" -- "$word")
        return
        ;;
    --since)
        mapfile -t COMPREPLY < <(compgen -W "last" -- "$word")
        return
        ;;
    esac

    if [[ $word == -* ]]; then
        local words=("$command")
        [[ ($command == key || $command == audit || $command == clients) && $COMP_CWORD -gt 2 ]] && words+=("${COMP_WORDS[2]}")
        help=$("$program" "${words[@]}" --help 2>/dev/null | grep -v '^Example' | grep -oE -- '--[a-z][a-z-]+' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$help --help" -- "$word")
        return
    fi
    case $command in
    resume | status | verify | cancel | load)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    key | audit)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    esac
}

complete -o filenames -F _smartbulk smartbulk
