// Bundles both halves into dist/, which runs without node_modules: a release is what lies there, and nothing beside it.
import { build } from 'esbuild';
import { cp } from 'node:fs/promises';

const common = { bundle: true, minify: true, legalComments: 'none', logLevel: 'info' };

await build({
  ...common,
  entryPoints: ['server/main.js'],
  outfile: 'dist/server.mjs',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // What Fastify brings along still calls require().
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
});
await build({
  ...common,
  entryPoints: ['web/main.jsx'],
  outfile: 'dist/web/main.js',
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
});
await cp('web/index.html', 'dist/web/index.html');
await cp('scripts', 'dist/scripts', { recursive: true });
