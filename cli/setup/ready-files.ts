import { existsSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { bulkBody } from "../../src/http/read.ts";
import { writeWhole } from "./files.ts";
import type { Plan } from "./plan.ts";
import { readyFolder, ways } from "./ways.ts";

/** Seconds for which a proxy waits: a first sync of years may take long to be put together. */
const patience = 300;
const mebibyte = 1024 * 1024;

/** Largest body that the server takes, in mebibytes, with room for a form around a picture. */
const largestBody = ({ maxPhotoBytes }: Config) =>
  Math.ceil(Math.max(maxPhotoBytes, bulkBody) / mebibyte) + 2;

function placesOf(config: Config) {
  const url = new URL(config.publicUrl ?? "https://trails.example.org");
  return { host: url.hostname, origin: url.origin, server: `127.0.0.1:${config.port}` };
}

function cloudflared(config: Config): string {
  const { host, server } = placesOf(config);
  return `# Cloudflare Tunnel for Trailglass. Once, on this machine:
#   cloudflared tunnel login
#   cloudflared tunnel create --credentials-file /etc/cloudflared/trailglass.json trailglass
#   cloudflared tunnel route dns trailglass ${host}
# then copy this file to /etc/cloudflared/config.yml, and
#   cloudflared service install
# Leave Cloudflare Access away from this name: phones cannot sign in to its web page.
tunnel: trailglass
credentials-file: /etc/cloudflared/trailglass.json
ingress:
  - hostname: ${host}
    service: http://${server}
    originRequest:
      connectTimeout: 10s
      keepAliveTimeout: 90s
  - service: http_status:404
`;
}

function caddy(config: Config): string {
  const { origin, server } = placesOf(config);
  return `# Caddy for Trailglass: put this into /etc/caddy/Caddyfile, then
#   systemctl reload caddy
# Caddy gets the certificate by itself; ports 80 and 443 have to be reachable from the internet.
${origin} {
	request_body {
		max_size ${largestBody(config)}MiB
	}
	reverse_proxy ${server} {
		flush_interval -1
		transport http {
			response_header_timeout ${patience}s
			read_timeout ${patience}s
			write_timeout ${patience}s
		}
	}
}
`;
}

function nginx(config: Config): string {
  const { host, server } = placesOf(config);
  return `# nginx for Trailglass: copy this to /etc/nginx/sites-available/trailglass, then
#   ln -s ../sites-available/trailglass /etc/nginx/sites-enabled/
#   nginx -t && systemctl reload nginx
#   certbot --nginx -d ${host}
# The last line gets a certificate and adds it below. Until then phones are refused: plain HTTP is not safe.
server {
    listen 80;
    listen [::]:80;
    server_name ${host};

    client_max_body_size ${largestBody(config)}m;
    client_body_timeout ${patience}s;

    location / {
        proxy_pass http://${server};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Connection "";
        # Not added to what a client claims: only nginx is believed.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        # Bytes go through as they come: pictures are not put on nginx's disk first.
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout ${patience}s;
        proxy_send_timeout ${patience}s;
    }
}
`;
}

const renderers: Record<string, (config: Config) => string> = { cloudflare: cloudflared, caddy, nginx };

/** What the chosen way in needs, as text; undefined where it needs nothing. */
export function readyFile({ answers, config }: Pick<Plan, "answers" | "config">): string | undefined {
  return renderers[answers.reach ?? ""]?.(config);
}

/** Writes what the chosen way in needs; what another one needed goes aside. @returns its path */
export function writeReadyFile(plan: Plan): string | undefined {
  const folder = join(dirname(plan.machine.envFile), readyFolder);
  for (const { name, file } of ways) {
    const path = file && join(folder, file);
    if (path && name !== plan.answers.reach && existsSync(path)) renameSync(path, `${path}.old`);
  }
  const text = readyFile(plan);
  const file = ways.find(({ name }) => name === plan.answers.reach)?.file;
  if (text === undefined || file === undefined) return undefined;
  const path = join(folder, file);
  writeWhole(path, text, { mode: 0o644, owner: null, old: `${path}.old` });
  return path;
}
