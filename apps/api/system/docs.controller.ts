import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../auth.js';
import { errorsDocument } from '../errors-document.js';

/** What the `type` of every problem points to. */
@ApiExcludeController()
@Public()
@Controller('docs')
export class DocsController {
  @Get('errors.md')
  @Header('Content-Type', 'text/markdown; charset=utf-8')
  errors(): string {
    return errorsDocument();
  }
}
