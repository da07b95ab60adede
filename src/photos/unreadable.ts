/** A picture that can never be shown. The message is the reason, in plain words for its owner. */
export class Unreadable extends Error {}
