// Swagger UI over this service's own description; nothing is asked of another host.
SwaggerUIBundle({ url: `${document.body.dataset.base}/openapi.json`, dom_id: "#swagger-ui", validatorUrl: null, deepLinking: true });
