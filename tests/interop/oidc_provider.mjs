// An OpenID provider (certified: panva/oidc-provider) with one client, whose people log in by any name.
// node oidc_provider.mjs PORT REDIRECT_URI
import Provider from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "driftline",
      client_secret: "a-secret-of-the-test",
      redirect_uris: [redirect],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email"], groups: ["groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of a test"] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, groups: id === "ann" ? ["ml-oncall"] : [] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
