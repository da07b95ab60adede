/** Health, with and without the base path: what probes ask for. */
export const healthPath = /^(\/api\/v1)?\/health(\/|$)/;
