# syntax=docker/dockerfile:1

# The program is compiled once, on the machine that builds, for every kind of machine.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json bun.lock bunfig.toml ./
COPY patches patches
COPY scripts/ensure-bun.sh scripts/
RUN . scripts/ensure-bun.sh && bun install --frozen-lockfile
COPY . .
ARG SOURCE_COMMIT SOURCE_DATE_EPOCH
RUN . scripts/ensure-bun.sh && bun run build --all && mv dist/trailglass-linux-x64-baseline dist/trailglass-amd64 \
  && mv dist/trailglass-linux-arm64 dist/trailglass-arm64

# User and folder are files like others: no step runs on the other architecture, so that none has to be emulated.
FROM --platform=$BUILDPLATFORM debian:12-slim AS account
RUN groupadd --gid 10001 trailglass && useradd --uid 10001 --gid 10001 --no-create-home \
  --home-dir /var/lib/trailglass --shell /usr/sbin/nologin trailglass && mkdir /empty

FROM debian:12-slim
ARG TARGETARCH
COPY --from=account /etc/passwd /etc/group /etc/
COPY --from=account --chown=10001:10001 --chmod=700 /empty /var/lib/trailglass
COPY --from=build --chmod=755 /build/dist/trailglass-$TARGETARCH /usr/local/bin/trailglass
ENV DATA_DIR=/var/lib/trailglass HOME=/var/lib/trailglass
WORKDIR /var/lib/trailglass
USER 10001:10001
VOLUME /var/lib/trailglass
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --start-interval=2s \
  CMD ["trailglass", "healthcheck"]
ENTRYPOINT ["trailglass"]
CMD ["serve"]
