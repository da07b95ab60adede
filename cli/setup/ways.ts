/** Folder beside the env file that holds what the chosen way in needs. */
export const readyFolder = "reach";

/** A way from a phone to the server. */
export interface Way {
  readonly name: "cloudflare" | "caddy" | "nginx" | "tls" | "lan";
  readonly label: string;
  readonly hint: string;
  /** Name of its ready file, where it needs one. */
  readonly file?: string;
}

export const ways: readonly Way[] = [
  {
    name: "cloudflare",
    label: "Cloudflare Tunnel",
    hint: "no open port; pictures up to 100 MB",
    file: "cloudflared.yml",
  },
  { name: "caddy", label: "Caddy", hint: "gets certificates by itself", file: "Caddyfile" },
  { name: "nginx", label: "nginx", hint: "or another proxy: adapt its file", file: "nginx.conf" },
  { name: "tls", label: "Directly, with my own certificate", hint: "a PEM file and its key" },
  { name: "lan", label: "Local network only", hint: "plain HTTP: anyone in that network can listen" },
];

/** Whether a proxy on this machine stands between phones and the server. */
export const isProxied = (reach: string | undefined) =>
  reach === "cloudflare" || reach === "caddy" || reach === "nginx";
