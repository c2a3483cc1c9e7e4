# Worker and client of docs/serving.md. For a smaller image of a machine without a GPU give pip the
# index of torch's CPU builds: --build-arg PIP_OPTIONS="--extra-index-url ..."
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home bodysounds

ARG PIP_OPTIONS=""
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir $PIP_OPTIONS --constraint constraints.txt ".[serving]"

USER bodysounds
WORKDIR /data
CMD ["bodysounds-worker"]
