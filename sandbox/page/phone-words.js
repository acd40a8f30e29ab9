// What the app itself says, in the three languages that a phone can be set to. The bots' texts come from the bots.

export const LANGUAGES = { en: "English", ru: "Русский", kk: "Қазақша" };

const WORDS = {
  //               English, Russian, Kazakh
  message: ["Message", "Сообщение", "Хабар"],
  send: ["Send", "Отправить", "Жіберу"],
  attach: ["Attach", "Прикрепить", "Тіркеу"],
  commands: ["Commands", "Команды", "Командалар"],
  start: ["Start", "Начать", "Бастау"],
  block: ["Block the bot", "Заблокировать бота", "Ботты бұғаттау"],
  unblock: ["Unblock the bot", "Разблокировать бота", "Ботты бұғаттан шығару"],
  blocked: ["You blocked this bot.", "Вы заблокировали этого бота.", "Сіз бұл ботты бұғаттадыңыз."],
  more: ["More", "Ещё", "Тағы"],
  language: ["Language of the app", "Язык приложения", "Қосымша тілі"],
  languageChanged: [
    "The app's language has changed. A bot chooses its language at the first message; later it changes with /language.",
    "Язык приложения изменён. Бот выбирает язык при первом сообщении, позже его меняет команда /language.",
    "Қосымша тілі өзгерді. Бот тілін алғашқы хабарда таңдайды, кейін оны /language өзгертеді.",
  ],
  bot: ["bot", "бот", "бот"],
  chats: ["Chats", "Чаты", "Чаттар"],
  whatItDoes: ["What can this bot do?", "Что умеет этот бот?", "Бұл бот не істей алады?"],
  typing: ["typing", "печатает", "жазып жатыр"],
  sendsPhoto: ["sending a photo", "отправляет фото", "фото жіберуде"],
  sendsFile: ["sending a file", "отправляет файл", "файл жіберуде"],
  sendsVideo: ["sending a video", "отправляет видео", "бейне жіберуде"],
  edit: ["Edit", "Изменить", "Өзгерту"],
  delete: ["Delete", "Удалить", "Жою"],
  copyText: ["Copy text", "Копировать текст", "Мәтінді көшіру"],
  cancel: ["Cancel", "Отмена", "Бас тарту"],
  edited: ["edited", "изменено", "өзгертілді"],
  forwarded: ["Forwarded message", "Пересланное сообщение", "Қайта жіберілген хабар"],
  sent: ["Sent", "Отправлено", "Жіберілді"],
  read: ["Read", "Прочитано", "Оқылды"],
  today: ["Today", "Сегодня", "Бүгін"],
  yesterday: ["Yesterday", "Вчера", "Кеше"],
  unread: ["unread", "непрочитанных", "оқылмаған"],
  toEnd: ["To the last message", "К последнему сообщению", "Соңғы хабарға"],
  reaction: ["Reaction", "Реакция", "Реакция"],
  photo: ["Photo", "Фотография", "Фотосурет"],
  videoNote: ["Video note", "Видеосообщение", "Бейнехабар"],
  playNote: ["Play the video note", "Смотреть видеосообщение", "Бейнехабарды ойнату"],
  download: ["Download", "Скачать", "Жүктеп алу"],
  unknown: [
    "This page can't show this kind of message.",
    "Эта страница не показывает такие сообщения.",
    "Бұл бет мұндай хабарды көрсетпейді.",
  ],
  unknownButton: [
    "This page has nothing for this button.",
    "На этой странице эта кнопка не работает.",
    "Бұл бетте бұл түйме жұмыс істемейді.",
  ],
  noAnswer: ["The bot did not answer this tap.", "Бот не ответил на нажатие.", "Бот бұл басуға жауап бермеді."],
  copied: ["Copied", "Скопировано", "Көшірілді"],
  notCopied: [
    "This browser does not let the page copy.",
    "Браузер не разрешает копировать.",
    "Браузер көшіруге рұқсат бермейді.",
  ],
  ok: ["OK", "OK", "OK"],
  zoom: ["Larger or smaller", "Крупнее или мельче", "Үлкейту не кішірейту"],
  close: ["Close", "Закрыть", "Жабу"],
  saved: ["Saved on this phone", "Сохранено на телефоне", "Телефонда сақталған"],
  username: ["Username", "Логин", "Логин"],
  password: ["Password", "Пароль", "Құпиясөз"],
  email: ["E-mail", "Почта", "Пошта"],
  studentId: ["Student ID", "Номер студента", "Студент нөмірі"],
  contact: ["Contact", "Контакт", "Контакт"],
  contactAbout: ["The own phone number", "Свой номер телефона", "Өз телефон нөмірі"],
  location: ["Location", "Геопозиция", "Орналасу"],
  locationAbout: ["In class or farther away", "В аудитории или дальше", "Аудиторияда не алысырақ"],
  liveLocation: ["Live location", "Трансляция геопозиции", "Тікелей орналасу"],
  liveAbout: [
    "Shared for 15 minutes, can be moved",
    "На 15 минут, место можно менять",
    "15 минутқа, орнын ауыстыруға болады",
  ],
  noteAbout: [
    "Prepared, from a file or by your camera",
    "Готовое, из файла или с камеры",
    "Дайын, файлдан не камерадан",
  ],
  file: ["File", "Файл", "Файл"],
  fileAbout: ["A document of up to 20 MB", "Документ до 20 МБ", "20 МБ-қа дейінгі құжат"],
  idPhoto: ["ID photo", "Фото для сверки", "Салыстыру фотосы"],
  idPhotoAbout: [
    "Your own, to try the face check on yourself",
    "Ваше, чтобы испытать проверку лица на себе",
    "Бет тексеруін өзіңізде сынау үшін",
  ],
  whereIs: ["Where is the phone?", "Где телефон?", "Телефон қайда?"],
  whereAbout: [
    "Press a place. It is sent as the phone's own position.",
    "Нажмите на место: оно отправится как положение телефона.",
    "Орынды басыңыз: ол телефонның орны ретінде жіберіледі.",
  ],
  once: ["Once", "Один раз", "Бір рет"],
  live: ["Live", "Трансляция", "Тікелей"],
  classroom: ["Classroom", "Аудитория", "Аудитория"],
  fromClass: ["from the classroom", "от аудитории", "аудиториядан"],
  inClass: ["in class", "в аудитории", "аудиторияда"],
  metre: ["m", "м", "м"],
  kilometre: ["km", "км", "км"],
  away: ["away", "отсюда", "қашықта"],
  move: ["Move", "Переместить", "Жылжыту"],
  stopSharing: ["Stop sharing", "Остановить", "Тоқтату"],
  sharingOver: ["Sharing has ended", "Трансляция окончена", "Тікелей бөлісу аяқталды"],
  prepared: ["Prepared recordings", "Готовые записи", "Дайын жазбалар"],
  preparedAbout: [
    "Drawn on this computer with the motions that the bot asked for.",
    "Рисуются на этом компьютере с движениями, о которых просит бот.",
    "Бот сұраған қозғалыстармен осы компьютерде салынады.",
  ],
  noPrepared: ["There are no prepared recordings.", "Готовых записей нет.", "Дайын жазба жоқ."],
  drawing: ["Recording the video note", "Записывается видеосообщение", "Бейнехабар жазылуда"],
  ownNote: ["Your own", "Своё", "Өзіңіздікі"],
  fromFile: ["From a file", "Из файла", "Файлдан"],
  fromCamera: ["With the camera", "С камеры", "Камерамен"],
  notAVideo: ["This file is no video.", "Это не видео.", "Бұл файл бейне емес."],
  notAPicture: [
    "This file is no picture that the browser can read.",
    "Браузер не может прочитать эту картинку.",
    "Браузер бұл суретті оқи алмайды.",
  ],
  tooLarge: ["This file is larger than 20 MB.", "Файл больше 20 МБ.", "Файл 20 МБ-тан үлкен."],
  photoStored: [
    "This is the ID photo now. Nothing leaves this computer.",
    "Теперь это фото для сверки. Оно не покидает этот компьютер.",
    "Енді салыстыру фотосы осы. Ол бұл компьютерден шықпайды.",
  ],
  cameraMissing: [
    "This browser can't record video, or gives no camera to this page. Use a file or a prepared recording.",
    "Этот браузер не записывает видео или не даёт странице камеру. Возьмите файл или готовую запись.",
    "Бұл браузер бейне жазбайды не бетке камера бермейді. Файлды не дайын жазбаны алыңыз.",
  ],
  cameraRefused: ["The camera can't be used", "Камеру нельзя использовать", "Камераны пайдалану мүмкін емес"],
  cameraStarts: ["The camera starts", "Камера включается", "Камера қосылуда"],
  cameraReady: ["Put your face into the circle.", "Поместите лицо в круг.", "Бетіңізді шеңберге келтіріңіз."],
  record: ["Record", "Записать", "Жазу"],
  recordingStartsIn: ["Recording starts in", "Запись начнётся через", "Жазу басталуына"],
  recording: ["Recording", "Идёт запись", "Жазылуда"],
  stop: ["Stop", "Стоп", "Тоқтату"],
  again: ["Record again", "Записать снова", "Қайта жазу"],
  lookAtIt: ["This is what will be sent.", "Это будет отправлено.", "Мынау жіберіледі."],
  takePhoto: ["Take the ID photo", "Снять фото для сверки", "Салыстыру фотосын түсіру"],
};

const NAMES = Object.keys(LANGUAGES);

// The app's words in a language, by name; English where the language is unknown.
export function wordsOf(language) {
  const at = Math.max(0, NAMES.indexOf(language));
  return Object.fromEntries(Object.entries(WORDS).map(([name, texts]) => [name, texts[at]]));
}

// What happens behind a bot's Start button, where neither the bot nor the page says it.
const INTRODUCTIONS = {
  marker: [
    "Marks attendance on the university's portal, the moment a lesson opens. Registration needs an invitation code from the admin.",
    "Отмечает посещение на портале университета, как только открывается занятие. Для регистрации нужен код приглашения от администратора.",
    "Сабақ ашылған сәтте университет порталында қатысуды белгілейді. Тіркелуге әкімшінің шақыру коды керек.",
  ],
  teacher: [
    "Takes attendance in class: shows a code, collects the check-ins, asks about doubtful ones, and sends the report.",
    "Проводит отметку в аудитории: показывает код, собирает отметки, спрашивает о сомнительных и присылает отчёт.",
    "Аудиторияда қатысуды алады: код көрсетеді, белгілерді жинайды, күмәндісін сұрайды, есеп жібереді.",
  ],
  student: [
    "Checks you in to a class: the teacher's code, your location, and a round video of your face if you agree.",
    "Отмечает вас на занятии: код преподавателя, ваша геопозиция и, если вы согласны, круглое видео лица.",
    "Сізді сабаққа белгілейді: оқытушының коды, орналасуыңыз және келіссеңіз, бетіңіздің дөңгелек бейнесі.",
  ],
};

export function introduction(bot, language) {
  return INTRODUCTIONS[bot]?.[Math.max(0, NAMES.indexOf(language))] ?? "";
}

// The day of a message (seconds since 1970) in words: today, yesterday, or its date.
export function dayOf(date, language, timeZone) {
  const words = wordsOf(language);
  const dayAt = (milliseconds) => new Date(milliseconds).toLocaleDateString("en-CA", { timeZone });
  const day = dayAt(date * 1000);
  if (day === dayAt(Date.now())) return words.today;
  if (day === dayAt(Date.now() - 86_400_000)) return words.yesterday;
  return new Date(date * 1000).toLocaleDateString(language, { timeZone, day: "numeric", month: "long" });
}
