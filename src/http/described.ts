/**
 * Names the operation that describes a route: that of this name in the `*-description.ts` beside it. The server itself
 * only carries the name; descriptions are loaded when somebody asks for them. Nothing is validated by it.
 */
export function described(operation: string) {
  return { detail: { operationId: operation } };
}

/** Leaves a route out of the API's description: a page for people, which no program calls. */
export const forPeople = { detail: { hide: true } } as const;
