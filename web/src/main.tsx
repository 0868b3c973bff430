import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Languages } from "./i18n";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import "./styles/prose.css";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Languages>
      <App />
    </Languages>
  </StrictMode>,
);
