# Serves results: neither torch nor Ray.
#   docker build -f deploy/docker/api.Dockerfile -t srgan-sweep-api:0.1.0 .
FROM python:3.11-slim

WORKDIR /opt/sweep
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Dependencies alone, from empty packages: a layer that a change of code leaves as it is.
RUN mkdir trainer sweep api \
    && pip install --no-cache-dir -c constraints.txt '.[api]'
COPY trainer trainer
COPY sweep sweep
COPY api api
RUN pip install --no-cache-dir --no-deps --force-reinstall .

# The user of the trainer image, whose files this one reads.
RUN useradd --uid 1000 --create-home sweep \
    && install -d -m 1777 -o sweep -g sweep /results /home/sweep
ENV HOME=/home/sweep \
    PYTHONUNBUFFERED=1 \
    SWEEP_RESULTS=/results
USER 1000:1000
WORKDIR /home/sweep
VOLUME /results
EXPOSE 8000

# Probes ask for no token.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Refuses to start without SWEEP_API_TOKEN or --token-file: other machines reach this address.
ENTRYPOINT ["python", "-m", "api", "--host", "0.0.0.0", "--port", "8000"]
