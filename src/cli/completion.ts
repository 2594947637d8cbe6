/**
 * Completion for bash and zsh, generated from the declared commands. The names of running daemons
 * are looked up when the operator presses Tab.
 *
 *     source <(sojourn completion bash)        # or into /etc/bash_completion.d/sojourn
 */
import type { Command, Option } from 'commander';
import { RUN_DIRECTORY } from '#daemon/directories.ts';

/** One command with the words that can follow it. */
interface Node {
  /** `as account add`; empty for `sojourn` itself. */
  readonly path: string;
  readonly words: readonly (readonly [word: string, about: string])[];
  readonly options: readonly (readonly [flag: string, about: string])[];
  /** Flags whose next word is a value, not a command. */
  readonly valued: readonly string[];
}

export const SHELLS = ['bash', 'zsh'] as const;
export type Shell = (typeof SHELLS)[number];

/** `daemons`: names below daemons/, the arguments of `check` and `cleanup`. */
export function completion(shell: Shell, root: Command, daemons: readonly string[]): string {
  const global = root.options.flatMap(flagsOf);
  const nodes = nodesOf(root, '').map((node) => withDaemons(node, daemons));
  return shell === 'bash'
    ? bash(nodes, global, valuedOf(root.options))
    : zsh(nodes, global, valuedOf(root.options));
}

function nodesOf(command: Command, path: string): readonly Node[] {
  const children = command.commands;
  const choices = command.registeredArguments.flatMap(({ argChoices = [], description }) =>
    argChoices.map((choice) => [choice, description] as const),
  );
  const words = [
    ...children.map((child) => [child.name(), child.description()] as const),
    ...choices,
  ];
  const own: Node = {
    path,
    words,
    options: path === '' ? [] : command.options.flatMap(flagsOf),
    valued: valuedOf(command.options),
  };
  return [
    own,
    ...children.flatMap((child) =>
      nodesOf(child, path === '' ? child.name() : `${path} ${child.name()}`),
    ),
  ];
}

const TAKE_DAEMON: readonly string[] = ['check', 'cleanup'];

function withDaemons(node: Node, daemons: readonly string[]): Node {
  if (!TAKE_DAEMON.includes(node.path)) return node;
  return { ...node, words: daemons.map((name) => [name, `configuration of ${name}`] as const) };
}

function flagsOf({ short, long, description }: Option): (readonly [string, string])[] {
  return [long, short].flatMap((flag) =>
    flag === undefined || flag === null ? [] : [[flag, description] as const],
  );
}

function valuedOf(options: readonly Option[]): readonly string[] {
  return options
    .filter(({ required }) => required)
    .flatMap((option) => flagsOf(option).map(([flag]) => flag));
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function cases(nodes: readonly Node[], line: (node: Node) => string): string {
  return nodes.map((node) => `    ${quoted(node.path)}) ${line(node)} ;;`).join('\n');
}

/**
 * The path of the command on the line: its words without flags and their values, as far as they
 * name a command.
 */
const WALK = (words: string, first: string) => `  local chosen='' word='' skip='' next='' i
  for ((i = ${first}; i < at; i++)); do
    word="\${${words}[i]}"
    if [[ -n $skip ]]; then skip=''; continue; fi
    case " $valued " in *" $word "*) skip=1; continue ;; esac
    [[ $word == -* ]] && continue
    next="\${chosen:+$chosen }$word"
    case "|$paths|" in *"|$next|"*) chosen="$next" ;; esac
  done`;

function bash(
  nodes: readonly Node[],
  global: readonly (readonly [string, string])[],
  globalValued: readonly string[],
): string {
  const valued = [...new Set([...globalValued, ...nodes.flatMap((node) => node.valued)])].join(' ');
  return `# bash completion of sojourn; made by: sojourn completion bash
_sojourn() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" at=$COMP_CWORD
  local valued=${quoted(valued)} paths=${quoted(nodes.map(({ path }) => path).join('|'))}
  COMPREPLY=()
  case "$previous" in
    --daemon)
      local daemons=$(cd ${RUN_DIRECTORY} 2>/dev/null && ls *.sock */*.sock 2>/dev/null |
        sed 's/.*\\///; s/\\.sock$//')
      COMPREPLY=($(compgen -W "$daemons" -- "$current")); return ;;
    --interface|-i)
      COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$current")); return ;;
    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case " $valued " in *" $previous "*) return ;; esac
${WALK('COMP_WORDS', '1')}
  local words='' options=${quoted(global.map(([flag]) => flag).join(' '))}
  case "$chosen" in
${cases(nodes, bashLists)}
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$current")); return; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$chosen" in check|cleanup) COMPREPLY+=($(compgen -f -- "$current")) ;; esac
}
complete -o filenames -F _sojourn sojourn
`;
}

function bashLists({ words, options }: Node): string {
  const flags = options.map(([flag]) => ` ${flag}`).join('');
  const names = words.map(([word]) => word).join(' ');
  return `words=${quoted(names)}; options="$options"${quoted(flags)}`;
}

function zshLists({ words, options }: Node): string {
  return `list=(${described(words)}); options+=(${described(options)})`;
}

function described(list: readonly (readonly [string, string])[]): string {
  return list.map(([name, about]) => quoted(`${name}:${about.replaceAll(':', ' -')}`)).join(' ');
}

function zsh(
  nodes: readonly Node[],
  global: readonly (readonly [string, string])[],
  globalValued: readonly string[],
): string {
  const valued = [...new Set([...globalValued, ...nodes.flatMap((node) => node.valued)])].join(' ');
  return `#compdef sojourn
# zsh completion of sojourn; made by: sojourn completion zsh
_sojourn() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}"
  local at=$CURRENT
  local valued=${quoted(valued)} paths=${quoted(nodes.map(({ path }) => path).join('|'))}
  local -a names list options
  case "$previous" in
    --daemon)
      names=(${RUN_DIRECTORY}/*.sock(N:t:r) ${RUN_DIRECTORY}/*/*.sock(N:t:r))
      compadd -a names; return ;;
    --interface|-i) names=(/sys/class/net/*(N:t)); compadd -a names; return ;;
    --socket) _files; return ;;
  esac
  case " $valued " in *" $previous "*) return ;; esac
${WALK('words', '2')}
  options=(${described(global)})
  case "$chosen" in
${cases(nodes, zshLists)}
  esac
  if [[ $current == -* ]]; then _describe option options; return; fi
  (( \${#list} )) && _describe command list
  case "$chosen" in check|cleanup) _files ;; esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _sojourn "$@"
else compdef _sojourn sojourn; fi
`;
}
