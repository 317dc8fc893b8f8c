// Swagger UI over this service's own description; nothing is asked of another host.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", validatorUrl: null, deepLinking: true });
