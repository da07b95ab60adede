import reset from "./templates/password-reset.txt" with { type: "text" };
import resetByCode from "./templates/password-reset-code.txt" with { type: "text" };
import test from "./templates/test.txt" with { type: "text" };

/** A new password, by `link`. */
export const passwordResetMail = reset;
/** The same with `token`, where there is no PUBLIC_URL to make a link from. */
export const passwordResetCodeMail = resetByCode;
/** Says that mails arrive. */
export const testMail = test;
