import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// A service that is already running answers what the page asks for while it is developed.
const service = "http://127.0.0.1:60315";
const paths = ["/v1", "/status", "/events", "/models", "/engines", "/documents", "/jobs", "/search"];
const more = ["/tags", "/chat", "/sessions", "/doctor", "/proof", "/logs", "/ocr", "/health"];

export default defineConfig({
  plugins: [react()],
  base: "./",
  build: {
    outDir: "../src/mlxd/web",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the security policy allows no inline script and no data: script
    sourcemap: false,
    chunkSizeWarningLimit: 800,
    modulePreload: { polyfill: false },
    // Names without hashes: the service sends each file with a tag of its content, and a rebuild
    // changes the files that changed.
    rolldownOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: Object.fromEntries([...paths, ...more].map((path) => [path, service])) },
});
