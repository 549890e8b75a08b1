# syntax=docker/dockerfile:1
# The controller and the command line in one image without a shell. Not root, and nothing is written: run it read-only.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin mizuumi && cp target/release/mizuumi /mizuumi

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Mizuumi" \
      org.opencontainers.image.description="GitOps for a data lake on AWS" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /mizuumi /usr/local/bin/mizuumi
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/mizuumi"]
