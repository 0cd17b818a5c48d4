# syntax=docker/dockerfile:1

# Two stages: one that compiles, and a final one that holds the binary, the C library and the certificates, and no shell.
#
#   docker build -t themis-maintenance .
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 -v maintenance-data:/data \
#       -e THEMIS_MAINTENANCE__AUTH__HS256_SECRET themis-maintenance

# The same Debian release as the final stage, because the binary is linked to its C library.
FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies alone, in a layer of their own: it is built anew only when Cargo.toml or Cargo.lock change. Benchmarks and tests
# that Cargo.toml declares have no source here, so they are left out.
COPY Cargo.toml Cargo.lock ./
RUN sed -i -E '/^\[\[(bench|test)\]\]/,/^$/d' Cargo.toml \
    && mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin themis-maintenance \
    && rm -r src

COPY . .
# The copied files are older than what was compiled from the placeholders; without the touch cargo would keep the placeholders.
RUN sed -i -E '/^\[\[(bench|test)\]\]/,/^$/d' Cargo.toml \
    && touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin themis-maintenance \
    && install -D -m 0755 target/release/themis-maintenance /out/usr/local/bin/themis-maintenance \
    && mkdir -m 0750 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="themis-maintenance" \
      org.opencontainers.image.description="Plans, runs and reports database maintenance for ThemisDB servers over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /out/usr/local/bin/themis-maintenance /usr/local/bin/themis-maintenance
# Database and audit trail. A new named volume takes over the owner; a bind mount has to belong to 65532.
COPY --from=build --chown=65532:65532 /out/data /data

# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The default paths are relative ("data/maintenance.db"), so they end up in /data, the only place that is written. They are not
# set here, because a variable of the environment would count more than a mounted configuration file.
WORKDIR /
VOLUME ["/data"]

# The default, 127.0.0.1, could not be reached from outside the container. The health check reads this variable too.
ENV THEMIS_MAINTENANCE__SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080

# Ready means that the store is loaded. The command gives up after 3 s by itself.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/themis-maintenance", "healthcheck"]

# SIGTERM, Docker's default, ends the service in order. Running jobs get server.shutdown_grace (30 s), so stop it with more patience
# than the usual 10 s: `docker stop --timeout 60`.
ENTRYPOINT ["/usr/local/bin/themis-maintenance"]
CMD ["serve"]
