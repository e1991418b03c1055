# mindone_tae on a CPU. Untried: it was written where no container could be built.
#
#   docker build -t mindone_tae .
#   docker run --rm -v "$PWD":/data -w /data mindone_tae reconstruct my.mp4
FROM python:3.11-slim-bookworm

# OpenCV, which MindSpore's companions bring, needs libGL and glib
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libgomp1 \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN PIP_BUILD_CONSTRAINT=/src/constraints.txt pip install --no-cache-dir --constraint /src/constraints.txt /src \
    && rm -rf /src

ENTRYPOINT ["mindone-tae"]
CMD ["--help"]
