# Trains: trainer, sweep and Ray, with the CUDA libraries that torch's wheel brings.
#   docker build -f deploy/docker/trainer.Dockerfile -t srgan-sweep-trainer:0.1.0 .
FROM python:3.11-slim

# KubeRay's probes call wget. `ray up` copies files into the container with rsync, and its head
# reaches the other nodes with ssh.
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssh-client rsync wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/sweep
COPY pyproject.toml constraints.txt README.md LICENSE deploy/docker/slim.py ./
# Dependencies alone, from empty packages: a layer of gigabytes that a change of code leaves as it
# is. boto3 is for a head that `ray up` starts on AWS, which starts the other nodes. What is unused
# goes in the same layer, or it would stay below: a quarter of all bytes, half of that Triton, which
# only torch.compile needs.
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils \
    && mkdir trainer sweep api \
    && pip install --no-cache-dir -c constraints.txt '.[sweep]' boto3 \
    && python slim.py "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && apt-get purge -y --autoremove binutils \
    && rm -rf /var/lib/apt/lists/*
COPY trainer trainer
COPY sweep sweep
COPY api api
RUN pip install --no-cache-dir --no-deps --force-reinstall .

# The api image has the same user: both meet on one volume. `ray up` reads HOME from the image.
# Any other user can run it, too, as OpenShift does: what is written to is open to all that a
# container runs, which is one user. From a root that may only be read HOME has to be elsewhere.
RUN useradd --uid 1000 --create-home sweep \
    && install -d -m 1777 -o sweep -g sweep /results /data /home/sweep /home/sweep/.ray
ENV HOME=/home/sweep \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    XDG_CACHE_HOME=/data/cache
USER 1000:1000
# Not /opt/sweep: Python would import the sources there instead of what was installed.
WORKDIR /home/sweep
VOLUME /results

CMD ["python", "-m", "sweep.table1", "--help"]
