# Two images of one source, each a static binary and nothing else:
#   docker build -t paymesh .                             for where money is
#   docker build -t paymesh-dev --target paymesh-dev .    also the simulator, the demo, the bench
# with --build-arg COMMIT=$(git rev-parse HEAD), `paymesh version` says what it is. `make test-chart` checks
# what can be checked without building it.

FROM rust:1.94-bookworm AS source
WORKDIR /src
COPY . .
ARG COMMIT=unknown
# Static, so that it runs where nothing else is. The target is named so that build scripts and
# macros, which run here, are not made static too.
ENV PAYMESH_COMMIT=$COMMIT RUSTFLAGS="-C target-feature=+crt-static"
RUN mkdir -p /folders && mkdir -m 1777 /folders/tmp && rustc --print host-tuple >/target

FROM source AS build
RUN cargo build --release --locked -p paymesh --no-default-features --features kubernetes,otlp --target "$(cat /target)" \
 && mv "target/$(cat /target)/release/paymesh" /paymesh

FROM source AS build-dev
RUN cargo build --release --locked -p paymesh --features kubernetes,otlp --target "$(cat /target)" \
 && mv "target/$(cat /target)/release/paymesh" /paymesh

FROM scratch AS paymesh-dev
COPY --from=build-dev /paymesh /paymesh
# Where the demo keeps its databases.
COPY --from=source /folders/ /
USER 65532:65532
ENTRYPOINT ["/paymesh"]
CMD ["--help"]

# The last stage is what is built unless another is named.
FROM scratch AS paymesh
COPY --from=build /paymesh /paymesh
USER 65532:65532
ENTRYPOINT ["/paymesh"]
CMD ["--help"]
