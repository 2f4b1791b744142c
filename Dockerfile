# pawl and its mock API in one small image, without PostgreSQL.
ARG GO_IMAGE=golang:1.26

FROM ${GO_IMAGE} AS build
# Pass your own module proxy here. Unset, Go's defaults hold.
ARG GOPROXY
ARG GOSUMDB
ARG GOFLAGS
WORKDIR /src
COPY go.mod go.sum ./
COPY cmd cmd
COPY db db
COPY internal internal
COPY mockapi mockapi
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/ ./cmd/...

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /usr/local/bin/
ENV PATH=/usr/local/bin
# A number, since there is no /etc/passwd; nobody's on common systems.
USER 65532:65532
ENTRYPOINT ["pawl"]
