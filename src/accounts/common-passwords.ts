/**
 * Passwords of eight and more characters that stand at the top of every list of leaked ones, hence at the top of
 * every attacker's list; in lower case. Shorter ones are refused by their length, and repetitions by a rule.
 */
export const commonPasswords: ReadonlySet<string> = new Set(
  `
  12345678 123456789 1234567890 12345678910 0123456789 0987654321 987654321 87654321 98765432 9876543210
  123123123 12341234 12344321 1234554321 11223344 1122334455 147258369 789456123 123654789 741852963 147852369
  987654321a 123456789a a123456789 123456789q 12345678a a12345678 1234567a 123456aa 1234qwer qwer1234 123qweasd
  123qwe123 12345qwert abcd1234 abc12345 abc123456 abcdefgh abcdefg1 abcdefghi asdf1234 asdfasdf asdfghjk asdfghjkl
  asdfghjkl1 1q2w3e4r 1q2w3e4r5t q1w2e3r4 q1w2e3r4t5 1qaz2wsx 1qazxsw2 zaq12wsx zaq1zaq1 zaq1xsw2 qazwsxedc
  qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qweasdzxc 12qwaszx zxcvbnm1 zxcvbnm123
  password password1 password12 password123 password1234 password! passw0rd p@ssw0rd p@ssword p@ssw0rd1 pa$$word
  pa$$w0rd passport passwort passwort1 passwort123 drowssap motdepasse contrasena senha123 secret123 mypassword
  admin123 admin1234 admin12345 administrator adminadmin rootroot root1234 user1234 test1234 testtest testing123
  guest123 welcome1 welcome123 letmein1 letmein123 changeme changeme1 changeme123 default1 login123 master123
  access14 trustno1 whatever iloveyou iloveyou1 iloveyou2 iloveyou! loveyou1 lovelove babygirl babygirl1 sunshine
  sunshine1 princess princess1 football football1 baseball baseball1 basketball softball superman superman1
  spiderman batman123 starwars startrek pokemon1 pokemon123 minecraft charlie1 michelle michael1 jennifer jessica1
  jonathan victoria danielle alexander alexandra nicholas samantha elizabeth benjamin christian computer internet
  internet1 samsung1 samsung123 google123 facebook liverpool liverpool1 chelsea1 arsenal1 manchester corvette
  mercedes mustang1 metallic metallica midnight mountain elephant dolphins snowball chocolate butterfly blink182
  ncc1701d rush2112 bond007007 hello123 hello1234 helloworld freedom1 forever1 monkey123 dragon123 shadow123
  summer123 winter123 security november december september trailglass trailglass1 trailglass123
  `
    .trim()
    .split(/\s+/),
);
