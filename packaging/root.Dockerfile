# For places that mount the data's disk as root's and let nobody change that (Fly, Render): the server itself runs as
# root in its container there, its database as the user trailglass.
FROM ghcr.io/trailglass/trailglass:latest
# hadolint ignore=DL3002
USER 0:0
