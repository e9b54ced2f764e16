# The image of every role; which one runs is the command's `--roles`.
FROM node:22-bookworm-slim AS build
WORKDIR /trunkline
COPY . .
RUN npm install && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
WORKDIR /trunkline
COPY --from=build --chown=node:node /trunkline /trunkline
RUN mkdir -p /data && chown node:node /data
USER node
ENV TRUNKLINE_DATA=/data TRUNKLINE_HOST=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["node", "dist/trunkline.js"]
CMD ["serve"]
