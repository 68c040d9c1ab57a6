# syntax=docker/dockerfile:1
# One image for every process; what a container runs is its command: `mcp --http`, `worker` or `dashboard`.

FROM node:24-slim AS build
WORKDIR /app
COPY . .
# Nothing that the services need has an install script. The optional packages are a second Node, which the image has.
RUN --mount=type=cache,target=/root/.npm \
    npm ci --ignore-scripts --omit=optional --no-audit --no-fund
RUN npm run generate --workspace @aimm/database \
    && npm prune --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
# What is mounted there belongs to whom it belongs to here.
RUN install --directory --owner=node --group=node --mode=700 /data /data/spool
USER node
ENTRYPOINT ["node", "services/cli/bin/aimm.mjs"]
CMD ["mcp", "--http"]
