# Choice of the Python interpreter, shared by the launchers. Sets $python, or ends with a message.

in_virtualenv() { # $1: a virtual environment
    case $1 in /*) venv=${1%/} ;; *) venv=$PWD/${1%/} ;; esac
    if [ ! -x "$venv/bin/python" ]; then
        echo "$venv (from the 'virtualenv' option in Pulumi.yaml) is not a virtual environment. Run: pulumi install" >&2
        exit 1
    fi
    VIRTUAL_ENV=$venv
    PATH=$venv/bin:$PATH
    export VIRTUAL_ENV PATH
    unset PYTHONHOME
    python=$venv/bin/python
}

choose_program_python() {
    if [ -n "${PULUMI_RUNTIME_VIRTUALENV:-}" ]; then
        in_virtualenv "$PULUMI_RUNTIME_VIRTUALENV"
    elif [ "${PULUMI_RUNTIME_TOOLCHAIN:-}" = uv ]; then
        in_virtualenv .venv
    elif [ "${PULUMI_RUNTIME_TOOLCHAIN:-}" = poetry ]; then
        in_virtualenv "$(poetry env info --path)"
    else
        python=${PULUMI_PYTHON_CMD:-python3}
    fi
}

has_sdk() { # $1: an interpreter
    "$1" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("grpc", "pulumi"))))' 2>/dev/null
}

# The host itself needs no particular Python, only the SDK's protocol stubs: that of the shell where it is active,
# else the one in the project's directory or a directory above it.
choose_host_python() {
    for python in "${PULUMI_PYTHON_CMD:-python3}" python3 python; do
        has_sdk "$python" && return
    done
    folder=$PWD
    while :; do
        for python in "$folder/.venv/bin/python" "$folder/venv/bin/python"; do
            has_sdk "$python" && return
        done
        [ "$folder" = / ] && break
        folder=$(dirname -- "$folder")
    done
    echo "no Python with the Pulumi SDK was found: neither python3 on PATH nor .venv in $PWD or above it has it." \
        "Activate an environment that has it, or run \`make env\` in the checkout of enos-ota." >&2
    exit 1
}
