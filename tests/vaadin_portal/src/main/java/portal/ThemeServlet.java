package portal;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;

/** The theme r5: Vaadin's precompiled Valo under this name, and single-colour flags. */
final class ThemeServlet extends HttpServlet {
    private static final String VALO = "/VAADIN/themes/valo/styles.css";
    private static final Map<String, Color> IMAGES =
            Map.of(
                    "/flags/kz.png", new Color(0x00, 0xaf, 0xca),
                    "/flags/ru.png", new Color(0xd5, 0x2b, 0x1e),
                    "/flags/gb.png", new Color(0x01, 0x21, 0x69));

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        String path = request.getPathInfo();
        byte[] content;
        if ("/styles.css".equals(path)) {
            response.setContentType("text/css;charset=utf-8");
            content = styles();
        } else if (path != null && IMAGES.containsKey(path)) {
            response.setContentType("image/png");
            content = image(IMAGES.get(path));
        } else {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        response.setHeader("Cache-Control", "max-age=3600");
        response.setContentLength(content.length);
        response.getOutputStream().write(content);
    }

    /** Replaces the theme's name in Valo's selectors and adapts the paths of its images. */
    private static byte[] styles() throws IOException {
        try (InputStream valo = ThemeServlet.class.getResourceAsStream(VALO)) {
            if (valo == null) {
                throw new FileNotFoundException(VALO);
            }
            String css = new String(valo.readAllBytes(), StandardCharsets.UTF_8);
            return css.replaceAll("\\.valo(?![\\w/-])", ".r5")
                    .replaceAll("url\\((?!data:)", "url(../valo/")
                    .getBytes(StandardCharsets.UTF_8);
        }
    }

    private static byte[] image(Color colour) throws IOException {
        BufferedImage flag = new BufferedImage(24, 16, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < flag.getHeight(); y++) {
            for (int x = 0; x < flag.getWidth(); x++) {
                flag.setRGB(x, y, colour.getRGB());
            }
        }
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        ImageIO.write(flag, "png", png);
        return png.toByteArray();
    }
}
