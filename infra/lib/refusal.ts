/** A person gave what can't be done: told in one sentence, without a stack, and with the exit code of a wrong call. */
export class Refusal extends Error {}

export function end(who: string, fault: unknown): never {
  console.error(`${who}: ${fault instanceof Error ? fault.message : fault}`)
  process.exit(fault instanceof Refusal ? 2 : 1)
}
