/** What has to be known before the first call. Markdown. */
export const introduction = `
The API of a Trailglass server: what phones speak with it. The base path is \`/api/v1\`; JSON is UTF-8.

**Every call** under the base path carries \`X-Device-ID\` and \`X-App-Version\`, and, once signed in, \`Authorization: Bearer\`
with an access token of that very device. Health, the description of the API and signed links need none of these.

**Instants** are ISO 8601 in UTC, with milliseconds and \`Z\`. Any offset and up to nine fractional digits are taken, and cut
to milliseconds. **Versions** are whole numbers from the account's own counter. **Ids** of entities are chosen by phones.

**Optional fields** may be left out or be \`null\`; keys that nobody knows are passed over. Answers hold what is described here.

**Errors** all have one shape, \`Error\`. \`details\` is null, or maps the path of a field to what is wrong with it.

**Limits.** Requests are counted by account, or by client address where nobody is signed in: sign-in and what asks for a
password, sync, batches of points, uploads of pictures, and all others, each for itself; links by themselves.
\`X-RateLimit-*\` says of the tightest how many are left; a 429 says in \`Retry-After\` when to come back. How many there
are is for whoever runs the server to say.

**Every write may be repeated**: an answer that got lost costs nothing but asking again.
`.trim();
