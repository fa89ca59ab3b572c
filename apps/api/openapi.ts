import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** Describes the API from its controllers. */
export function openApiOf(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Drawdown')
    .setDescription(
      'An event-sourced credits ledger. Errors are RFC 9457 problems; their codes are in docs/errors.md.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'sk_... for the API, tk_... for triggers' })
    .addApiKey(
      { type: 'apiKey', in: 'header', name: 'X-Lumen-Key', description: 'pk_... for what a page may read' },
      'publishable',
    )
    .addSecurityRequirements('bearer')
    .build();
  return SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '')}.${method}`,
  });
}

/** Serves `/docs` with try-it, and `/openapi.json`. */
export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiOf(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Drawdown API',
  });
}
