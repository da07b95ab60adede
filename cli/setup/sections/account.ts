import { displayName } from "../../../src/accounts/display-name.ts";
import { emailAddress } from "../../../src/accounts/email-address.ts";
import { newPassword, requireUnlikeEmail } from "../../../src/accounts/password-rules.ts";
import type { Answers, Section } from "../question.ts";

const isMade = ({ account }: Answers) => account === "make";

function isLikeEmail({ password = "", email = "" }: Answers): boolean {
  try {
    requireUnlikeEmail(password, email, "password");
    return false;
  } catch {
    return true;
  }
}

/** The first account. */
export const accountSection: Section = {
  title: "First account",
  questions: [
    {
      name: "account",
      flag: "account <which>",
      ask: "Make an account now?",
      about: "whether an account is made",
      kind: "choice",
      choices: [
        { value: "make", label: "Yes" },
        { value: "none", label: "No", hint: "later, or I restore a backup" },
      ],
      impliedBy: { make: ["email", "password"] },
      fallback: (_answers, { present, isAsked }) => (isAsked && present.text === "" ? "make" : "none"),
    },
    {
      name: "email",
      flag: "email <address>",
      ask: "Email address",
      about: "email address of the account",
      kind: "text",
      read: emailAddress,
      when: isMade,
    },
    {
      name: "displayName",
      flag: "name <name>",
      ask: "Name",
      about: "what the person is called",
      kind: "text",
      read: displayName,
      when: isMade,
      fallback: ({ email }) => email?.split("@")[0],
    },
    {
      name: "password",
      flag: "password-file <file>",
      ask: "Password",
      about: "file with the password of the account",
      kind: "secret",
      read: newPassword,
      twice: true,
      when: isMade,
    },
  ],
  check: (answers) => ({
    problems:
      isMade(answers) && isLikeEmail(answers)
        ? [{ message: "The password must not be the email address or its first part." }]
        : [],
  }),
};
