import { defineConfig } from "vite";

export default defineConfig({
  // Relative addresses, so that the page also works below a prefix of somebody's proxy.
  base: "./",
  build: {
    target: "es2022",
    // The content security policy allows no data: addresses and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: false,
    // The notices that the licences of the bundled packages ask for.
    license: { fileName: "assets/licenses.md" },
  },
});
