// The site's search runs in a Worker, which browsers refuse to pages that are opened from the file system. There, a
// hidden frame runs the same script. Served pages keep the browser's own Worker.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.scope = this.frame.contentWindow;
      this.scope.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
      const script = this.scope.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        this.ready = true;
        this.waiting.splice(0).forEach((data) => this.postMessage(data));
      };
      script.onerror = (event) => this.onerror?.(event);
      this.scope.document.body.append(script);
    }

    postMessage(data) {
      if (this.ready) {
        setTimeout(() => this.scope.onmessage?.({ data }));
      } else {
        this.waiting.push(data);
      }
    }

    terminate() {
      this.frame.remove();
    }
  };
}
